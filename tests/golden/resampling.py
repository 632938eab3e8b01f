"""How near images that PIL resized are to the stored ones, which Pillow 13 made: others round otherwise."""

from PIL import __version__ as pillow

OLD_PILLOW = int(pillow.split(".")[0]) < 13
GRAY_LEVEL = 0.018  # after normalizing
