"""The job generate."""

from __future__ import annotations

from wafer_core.jobs.kinds.kind import Kind

KIND = Kind("Generate", lambda context: {})
