"""Everything that can be wrong with a labeled dataset, and its consequence.

What would make a model learn something else than was meant is refused; what concerns one object or one image and is
unambiguous is left out or changed; all of it is counted.
"""

from enum import Enum, StrEnum


class Outcome(StrEnum):
    REFUSED = "refused"
    LEFT_OUT = "left out"
    CHANGED = "changed"
    NOTED = "noted"


class ProblemKind(Enum):
    """The consequence of a problem, and what it is. Names in lower case are keys of JSON reports: they stay."""

    # the annotation file
    BAD_FILE = Outcome.REFUSED, "a label file that cannot be used at all"
    DIFFERENT_CLASSES = Outcome.REFUSED, "classes that differ from those of another split"
    BAD_FIELD = Outcome.REFUSED, "a field that is missing or of the wrong kind"
    DUPLICATE_IMAGE_ID = Outcome.REFUSED, "two images with one id"
    DUPLICATE_ANNOTATION_ID = Outcome.REFUSED, "two annotations with one id"
    DUPLICATE_CATEGORY_ID = Outcome.REFUSED, "two categories with one id"
    UNKNOWN_CATEGORY = Outcome.REFUSED, "a category that is not listed"
    MIXED_IDS = Outcome.REFUSED, "ids of two types, text and number"
    OUTSIDE_NAME = Outcome.REFUSED, "a file name that leads outside of the folder"
    NOT_NORMALISED = Outcome.REFUSED, "coordinates that are no fractions of the image"
    NOTHING_TO_LEARN = Outcome.REFUSED, "nothing to train on, or to evaluate on"
    FRACTIONS = Outcome.REFUSED, "boxes that are fractions, where pixels are expected"
    UNUSED_LABELS = Outcome.REFUSED, "images without labels beside labels without an image"
    UNCLEAR_OUTLINE = Outcome.REFUSED, "lines that could be outlines or keypoints"
    ORPHAN_ANNOTATION = Outcome.LEFT_OUT, "an annotation of an image that is not listed"
    ORPHAN_LABELS = Outcome.NOTED, "a label file without an image"
    MISSING_LABELS = Outcome.LEFT_OUT, "an image whose label file is missing"
    BAD_LABELS = Outcome.LEFT_OUT, "a label file that cannot be read, left out with its image"
    NO_LABELS = Outcome.NOTED, "an image without a label file, read as an image without objects"
    NOT_LABELED = Outcome.LEFT_OUT, "an image that is listed but not labeled yet, or was skipped by its labeler"
    OTHER_ANNOTATIONS = Outcome.LEFT_OUT, "other annotations of the same image, by other people or models"
    SHARED_LABELS = Outcome.NOTED, "a label file of several images whose names differ in the ending only"
    DUPLICATE_NAME = Outcome.NOTED, "two categories of the same name"
    CONVERTED_NAME = Outcome.CHANGED, "a file name written for another system or folder"
    CONVERTED_FIELD = Outcome.CHANGED, "a field written in another form, converted to its only possible meaning"
    KEYPOINTS = Outcome.NOTED, "an object with keypoints, of which only the box is used"
    SCORE = Outcome.NOTED, "an object with a score, as predictions have, of which only the box is used"
    NOT_EXHAUSTIVE = Outcome.NOTED, "an image on which not every class is labeled (LVIS), used as if it were"
    MISSING_SPLIT = Outcome.NOTED, "a split that is named but missing"
    NO_SPLIT = Outcome.NOTED, "images that belong to no split, skipped"
    HIDDEN = Outcome.NOTED, "a hidden file or folder, skipped"
    LINKED_FOLDER = Outcome.NOTED, "a link to a folder, which is not followed"
    OTHER_NAME = Outcome.NOTED, "a label file that names another image"
    OTHER_FORMAT = Outcome.NOTED, "the folder holds labels of another format as well"
    DIFFICULT = Outcome.NOTED, "an object marked as difficult, used like any other"
    # images
    MISSING_PICTURE = Outcome.LEFT_OUT, "an image that is missing"
    UNREADABLE_PICTURE = Outcome.LEFT_OUT, "an image that cannot be read"
    URL_PICTURE = Outcome.LEFT_OUT, "an image named by URL, which is never fetched"
    LINKED_PICTURE = Outcome.NOTED, "an image that is a link out of the folder"
    EMBEDDED_IMAGE = Outcome.CHANGED, "an image inside of a label file, unpacked to a file"
    WRONG_SIZE = Outcome.CHANGED, "a stated size that differs from the image's, which is used instead"
    REPEATED_PICTURE = Outcome.LEFT_OUT, "an image listed a second time"
    # boxes
    EMPTY_BOX = Outcome.LEFT_OUT, "a box without area"
    OUTSIDE_BOX = Outcome.LEFT_OUT, "a box outside of its image"
    NOT_FINITE_BOX = Outcome.LEFT_OUT, "a box that is not finite"
    CLIPPED_BOX = Outcome.CHANGED, "a box that sticks out of its image, clipped"
    ROUNDED_BOX = Outcome.CHANGED, "a box that sticks out by less than a pixel, clipped"
    BOX_OF_OUTLINE = Outcome.CHANGED, "no box but an outline, whose box is used"
    ORIENTED_BOX = Outcome.CHANGED, "a box that is not upright, whose enclosing box is used"
    BOX_OF_KEYPOINTS = Outcome.CHANGED, "no box but keypoints, whose box is used"
    NO_OBJECT = Outcome.LEFT_OUT, "a shape or label that is no object: points, a line, a label of the whole image"
    NO_CLASS = Outcome.LEFT_OUT, "an object without a class"
    ONE_CLASS = Outcome.NOTED, "labels that state no class, all of them read as the class object"
    SEVERAL_CLASSES = Outcome.NOTED, "an object of several classes, of which the first is used"
    ATTRIBUTES = Outcome.NOTED, "an object with attributes, which are not used"
    IGNORED_REGION = Outcome.LEFT_OUT, "a region to ignore, which belongs to no class"
    AREA_OF_BOX = Outcome.CHANGED, "no usable area, so that of the box is used"
    BAD_SEGMENTATION = Outcome.LEFT_OUT, "an unusable segmentation, left out with its object"
    UNLISTED_SEGMENT = Outcome.NOTED, "pixels of a segment that is not listed, read as unlabeled"
    # the dataset as a whole
    NEAR_DUPLICATE = Outcome.LEFT_OUT, "an image that is nearly the same as another"
    SAME_CONTENT = Outcome.NOTED, "the same image twice"
    LEAKAGE = Outcome.NOTED, "the same image in two splits"
    SAME_NAME_BUT_CASE = Outcome.NOTED, "file names that differ in upper and lower case only"
    REPEATED_OBJECT = Outcome.NOTED, "two objects of one class with the same box"
    TINY_OBJECT = Outcome.NOTED, "a tiny object"
    TOO_MANY_OBJECTS = Outcome.NOTED, "more objects than queries"
    UNUSED_CLASS = Outcome.NOTED, "a class without objects"
    NOT_IN_TRAINING = Outcome.NOTED, "a class that is evaluated but never trained on"
    # what another format cannot hold
    CROWD_LOST = Outcome.LEFT_OUT, "a crowd, which the format cannot hold"
    SEGMENTATION_LOST = Outcome.LEFT_OUT, "a segmentation, which the format cannot hold"
    MARK_LOST = Outcome.LEFT_OUT, "a mark such as difficult or truncated, which the format cannot hold"
    COVERED = Outcome.LEFT_OUT, "an object that is covered by others, where a pixel can belong to one only"
    OVERLAP = Outcome.CHANGED, "objects that share pixels, which go to the smallest"
    NAME_CHANGED = Outcome.CHANGED, "an image's name that is used twice, or not possible in the format"

    def __init__(self, outcome: Outcome, meaning: str) -> None:
        self.outcome = outcome
        self.meaning = meaning

    @property
    def code(self) -> str:
        return self.name.lower()
