from core.cli import command
from landscape.noise.command import run

EXAMPLES = (
    "python -m landscape.noise",
    "python -m landscape.noise --examples 512 --noisy gaussian,filter,dropout",
    "python -m landscape.noise --model resnet18 --checkpoint resnet18.safetensors"
    " --normalisation imagenet --data /data/tiny-imagenet-200"
    " --others mobilenet_v2@mobilenet_v2.safetensors --examples 512",
    'python -m landscape.noise --attacks "pgd(eps=0.2, stop=false),'
    'pgd(eps=0.2, langevin=0.1, stop=false)" --gradients 40',
    "python -m landscape.noise --config runs/landscape.noise/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m landscape.noise", examples=EXAMPLES)
