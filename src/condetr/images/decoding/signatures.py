"""What an unsupported file is, from its first bytes."""

_NOT_SUPPORTED = (
    (4, b"ftypavi", "AVIF", "convert it to JPEG or PNG"),
    (4, b"ftyp", "HEIC/HEIF or a video", "convert it to JPEG or PNG"),
    (0, b"%!PS", "EPS/PostScript", "convert it to PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS/PostScript", "convert it to PNG"),
    (0, b"%PDF", "PDF", "convert its pages to PNG"),
    (0, b"8BPS", "Photoshop", "export it as PNG"),
    (0, b"\x00\x00\x00\x0cjP", "JPEG 2000", "convert it to JPEG or PNG"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", "convert it to JPEG or PNG"),
    (0, b"\x00\x00\x00\x0cJXL", "JPEG XL", "convert it to JPEG or PNG"),
    (0, b"\xff\x0a", "JPEG XL", "convert it to JPEG or PNG"),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it"),
    (0, b"version https://git-lfs", "a Git LFS pointer", "run git lfs pull"),
)
_CUT_OFF = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\x00", b"MM\x00*")


def kind_of(head: bytes) -> tuple[str, str]:
    """Why a file is refused, and a hint what to do."""
    if not head:
        return "is empty", "download or copy it again"
    for start, signature, kind, hint in _NOT_SUPPORTED:
        if head.startswith(signature, start):
            return f"unsupported format: {kind}", hint
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "unsupported format: SVG or XML", "render it to PNG"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "unsupported format: a web page", "the download failed; download it again"
    if head.startswith(_CUT_OFF):
        return "the header is damaged or incomplete; its format cannot be identified", "download or copy it again"
    return "its format cannot be identified", "it is not an image, or damaged"
