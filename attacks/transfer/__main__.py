from attacks.transfer.command import run
from core.cli import command

EXAMPLES = (
    "python -m attacks.transfer",
    "python -m attacks.transfer --classifiers"
    " resnet18@a.safetensors,mobilenet_v2@b.safetensors,mine=mypkg.nets:make@c.pt"
    " --normalisation imagenet --data /data/tiny-imagenet-200 --examples 1000",
    "python -m attacks.transfer --classifiers checkpoints/ --data /data/tiny-imagenet-200"
    " --noise_scales 0.02,0.05,0.1,0.2,0.4 --launch processes",
    'python -m attacks.transfer --attacks "pgd(eps=0.1, stop=false),fgsm(eps=0.1)" --gradients 20',
    "python -m attacks.transfer --config runs/attacks.transfer/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m attacks.transfer", examples=EXAMPLES)
