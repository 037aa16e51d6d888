from autoencoders.train.command import run
from core.cli import command

EXAMPLES = (
    "python -m autoencoders.train",
    "python -m autoencoders.train --layers input,layer1,layer4 --kinds ae,vae,vqvae"
    " --model resnet18 --checkpoint net.safetensors --data /data/tiny-imagenet-200",
    "python -m autoencoders.train --layers layer4 --kinds vqvae,fsq --codes 1024 --seeds 3",
    "python -m autoencoders.train --layers layer2 --kinds ae --explained_variance 0.9",
    "python -m autoencoders.train --launch processes --workers 8",
    "python -m autoencoders.train --config runs/autoencoders.train/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m autoencoders.train", examples=EXAMPLES)
