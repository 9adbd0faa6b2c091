"""Import of pictures, folders, archives, arrays, tables and fab files as pictures and wafer maps.

No file is trusted: files are checked before they are decoded, never unpickled and never executed,
and their names are never used as paths.
"""

from __future__ import annotations

from wafer_core.importers.colours import Colour, ColourTable, Role
from wafer_core.importers.items import Candidate, Limits, Loaded, Rejected, Scan, Upload
from wafer_core.importers.options import Mask, ReadOptions
from wafer_core.importers.pictures import decode_picture
from wafer_core.importers.preview import FilePreview, Preview, preview
from wafer_core.importers.scan import sample, scan

__all__ = [
    "Candidate",
    "Colour",
    "ColourTable",
    "FilePreview",
    "Limits",
    "Loaded",
    "Mask",
    "Preview",
    "ReadOptions",
    "Rejected",
    "Role",
    "Scan",
    "Upload",
    "decode_picture",
    "preview",
    "sample",
    "scan",
]
