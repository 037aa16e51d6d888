from autoencoders.explore.command import run
from core.cli import command

EXAMPLES = (
    "python -m autoencoders.explore",
    "python -m autoencoders.explore --layers input,10 --kinds ae,vae,vqvae --attacks"
    " 'noise(eps=0.2),pgd(eps=0.2)'",
    "python -m autoencoders.explore --model resnet18 --checkpoint net.safetensors"
    " --data /data/tiny-imagenet-200 --autoencoder runs/a/models/layer4-vae-0/model.safetensors",
    "python -m autoencoders.explore --leapfrog 8 --chains 8 --draws 1000 --temperature 0.5",
    "python -m autoencoders.explore --launch processes --workers 2",
    "python -m autoencoders.explore --config runs/autoencoders.explore/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m autoencoders.explore", examples=EXAMPLES)
