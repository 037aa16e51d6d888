from core.cli import command
from interpret.collect.command import run

EXAMPLES = (
    "python -m interpret.collect",
    "python -m interpret.collect --layers input,layer1,layer4 --dtype float16"
    " --model resnet18 --checkpoint net.safetensors --data /data/tiny-imagenet-200",
    "python -m interpret.collect --layers layer3,layer4 --form average --splits train,val",
    "python -m interpret.collect --launch slurm --slurm.partition gpu",
    "python -m interpret.collect --config runs/interpret.collect/NAME/config.yaml",
)

if __name__ == "__main__":
    command(run, prog="python -m interpret.collect", examples=EXAMPLES)
