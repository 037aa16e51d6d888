from autoencoders.manifold.command import run
from core.cli import command

EXAMPLES = (
    "python -m autoencoders.manifold",
    "python -m autoencoders.manifold --kind vae --latent 8 --radius 2 --seeds 3",
    "python -m autoencoders.manifold --autoencoder runs/x/models/input-ae-0/model.safetensors",
    "python -m autoencoders.manifold --model resnet18 --checkpoint net.safetensors"
    " --data /data/tiny-imagenet-200 --width 64 --latent 128",
    "python -m autoencoders.manifold --launch processes --workers 8",
    "python -m autoencoders.manifold --config runs/autoencoders.manifold/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m autoencoders.manifold", examples=EXAMPLES)
