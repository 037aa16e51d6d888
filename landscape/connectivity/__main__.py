from core.cli import command
from landscape.connectivity.command import run

EXAMPLES = (
    "python -m landscape.connectivity",
    "python -m landscape.connectivity --model mypkg.nets:make_net --checkpoint net.safetensors"
    " --normalisation imagenet --data /data/tiny-imagenet-200",
    'python -m landscape.connectivity --attacks "pgd(eps=4/255, steps=20)" --pairs 200',
    "python -m landscape.connectivity --paths bypass,bezier,elastic_band,level_set",
    "python -m landscape.connectivity --examples 1000 --launch processes --workers 8",
    "python -m landscape.connectivity --config runs/landscape.connectivity/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m landscape.connectivity", examples=EXAMPLES)
