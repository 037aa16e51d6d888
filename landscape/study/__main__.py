from core.cli import command
from landscape.study.command import run

EXAMPLES = (
    "python -m landscape.study",
    "python -m landscape.study --model mypkg.nets:make_net --checkpoint net.safetensors"
    " --normalisation imagenet --data /data/tiny-imagenet-200 --launch processes --workers 8",
    "python -m landscape.study --parts flatness,curvature --examples 500",
    "python -m landscape.study --flatness.draws 16 --connectivity.pairs 100 --noise.gradients 20",
    "python -m landscape.study --examples 5000 --launch slurm --workers 100 --slurm.partition gpu",
    "python -m landscape.study --config runs/landscape.study/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m landscape.study", examples=EXAMPLES)
