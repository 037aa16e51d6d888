from core.cli import command
from landscape.slices.command import run

EXAMPLES = (
    "python -m landscape.slices",
    "python -m landscape.slices --model mypkg.nets:make_net --checkpoint net.safetensors"
    " --normalisation imagenet --data /data/tiny-imagenet-200",
    'python -m landscape.slices --attacks "pgd(norm=l2, eps=0.5)" --slices twin,three_inputs'
    " --pictures 6 --resolution 101",
    "python -m landscape.slices --box clip --radius 1.0",
    "python -m landscape.slices --examples 1000 --launch processes --workers 8",
    "python -m landscape.slices --config runs/landscape.slices/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m landscape.slices", examples=EXAMPLES)
