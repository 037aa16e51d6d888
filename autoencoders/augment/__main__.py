from autoencoders.augment.command import run
from core.cli import command

EXAMPLES = (
    "python -m autoencoders.augment",
    "python -m autoencoders.augment --layers input --scale 1 --probability 0.8 --seeds 5",
    "python -m autoencoders.augment --layers layer4 --kind vae --model resnet18"
    " --checkpoint net.safetensors --data /data/tiny-imagenet-200 --launch slurm --workers 30",
    'python -m autoencoders.augment --attacks "pgd(norm=l2, eps=0.5),apgd(eps=0.1)"',
    "python -m autoencoders.augment --config runs/autoencoders.augment/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m autoencoders.augment", examples=EXAMPLES)
