from core.cli import command
from landscape.curvature.command import run

EXAMPLES = (
    "python -m landscape.curvature",
    "python -m landscape.curvature --model digits_patches",
    "python -m landscape.curvature --model mypkg.nets:make_net --checkpoint net.safetensors"
    " --normalisation imagenet --data /data/tiny-imagenet-200",
    'python -m landscape.curvature --attacks "fgsm(eps=4/255),pgd(norm=l2, eps=0.5, steps=20)"'
    " --boundary_steps 0",
    "python -m landscape.curvature --examples 5000 --launch slurm --workers 100"
    " --slurm.partition gpu",
    "python -m landscape.curvature --config runs/landscape.curvature/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m landscape.curvature", examples=EXAMPLES)
