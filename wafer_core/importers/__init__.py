"""Import of pictures, folders, zips, arrays and tables as pictures and wafer maps.

No file is trusted: files are checked before they are decoded, never unpickled and never executed,
and their names are never used as paths.
"""

from __future__ import annotations

from wafer_core.importers.colours import Colour, ColourTable, Role
from wafer_core.importers.items import Candidate, Limits, Loaded, Rejected, Scan, Upload
from wafer_core.importers.pictures import decode_picture
from wafer_core.importers.scan import sample, scan

__all__ = [
    "Candidate",
    "Colour",
    "ColourTable",
    "Limits",
    "Loaded",
    "Rejected",
    "Role",
    "Scan",
    "Upload",
    "decode_picture",
    "sample",
    "scan",
]
