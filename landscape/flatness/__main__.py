from core.cli import command
from landscape.flatness.command import run

EXAMPLES = (
    "python -m landscape.flatness",
    "python -m landscape.flatness --model mypkg.nets:make_net --checkpoint net.safetensors"
    " --normalisation imagenet --data /data/tiny-imagenet-200",
    'python -m landscape.flatness --attacks "fgsm(eps=4/255),pgd(norm=l2, eps=0.5, steps=20)"',
    "python -m landscape.flatness --examples 1000 --launch processes --workers 8",
    "python -m landscape.flatness --examples 5000 --launch slurm --workers 100"
    " --slurm.partition gpu",
    "python -m landscape.flatness --config runs/landscape.flatness/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m landscape.flatness", examples=EXAMPLES)
