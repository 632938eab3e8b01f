"""Examples for the end of each ``--help``."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "predict": (
        "condetr predict holiday/ --model runs/mine --output found",
        "condetr predict clip.mp4 --model runs/mine --track",
        "condetr predict aerial/ --model runs/mine --tile 640 --save coco,csv",
        "condetr predict bucket/ --model runs/mine --output found --save jsonl --engine ray --address auto",
    ),
    "label": ("condetr label more/ --model runs/mine --output todo --format cvat",),
    "train": (
        "condetr train labeled/ --minutes 15 --output runs/mine",
        "condetr train labeled/ --model microsoft/conditional-detr-resnet-50 --epochs 50 --output runs/mine",
        "condetr train labeled/ --task instance --output runs/masks",
        "condetr train labeled/ --output runs/mine --resume",
    ),
    "tune": ("condetr tune labeled/ --minutes 60 --output runs/tune",),
    "recipes": ("condetr recipes",),
    "evaluate": (
        "condetr evaluate labeled/ --model runs/mine --split val --output report",
        "condetr evaluate labeled/ --predictions results.json --html",
    ),
    "explain": ("condetr explain street.jpg --model runs/mine --detection 0",),
    "export": (
        "condetr export --model runs/mine --format onnx --output mine-onnx",
        "condetr export --model runs/mine --format openvino --precision int8 --data labeled/ --output mine-int8",
    ),
    "benchmark": ("condetr benchmark --model runs/mine --image-size 480x640,800x1066",),
    "serve": ("condetr serve --model runs/mine --port 8000",),
    "label-server": ("condetr label-server --model runs/mine --document-root /data --port 9090",),
    "demo": ("condetr demo --model runs/mine",),
    "convert": ("condetr convert ConditionalDETR_r50dc5_epoch50.pth conditional-detr-r50-dc5",),
    "info": ("condetr info runs/mine",),
    "models": ("condetr models",),
    "doctor": ("condetr doctor", "condetr doctor --hub"),
    "data check": ("condetr data check labeled/",),
    "data stats": ("condetr data stats labeled/ --output charts.png",),
    "data convert": ("condetr data convert labeled/ coco/ --to coco",),
    "data show": ("condetr data show labeled/ --output sheet.jpg",),
    "data split": ("condetr data split labeled/ divided/ --shares train=0.8,val=0.1,test=0.1",),
    "data merge": ("condetr data merge first/ second/ both/",),
    "data rename": ("condetr data rename labeled/ renamed/ car=vehicle truck=vehicle",),
    "data drop": ("condetr data drop labeled/ smaller/ person",),
    "data dedupe": ("condetr data dedupe labeled/ distinct/",),
    "data pick": ("condetr data pick more/ --model runs/mine --count 50 --output next.txt",),
    "data demo": ("condetr data demo scenes --train 600 --val 100",),
    "hub pull": ("condetr hub pull microsoft/conditional-detr-resnet-50",),
    "hub push": ("condetr hub push runs/mine/best me/my-detector",),
}


def epilog(command: str) -> str:
    """For typer, which begins a paragraph at each empty line."""
    return "\n\n".join(("Examples:", *EXAMPLES[command]))
