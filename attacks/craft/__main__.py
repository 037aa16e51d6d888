from attacks.craft.command import run
from core.cli import command

EXAMPLES = (
    "python -m attacks.craft",
    'python -m attacks.craft --attacks "fgsm(eps=4/255),pgd(norm=l2, eps=0.5, steps=20)"'
    " --masking_checks",
    "python -m attacks.craft --model resnet18 --checkpoint net.safetensors"
    " --data /data/tiny-imagenet-200",
    "python -m attacks.craft --examples 5000 --launch slurm --workers 100 --slurm.partition gpu",
    "python -m attacks.craft --config runs/attacks.craft/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m attacks.craft", examples=EXAMPLES)
