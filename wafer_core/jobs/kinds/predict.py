"""The job predict."""

from __future__ import annotations

from wafer_core.jobs.kinds.kind import Kind

KIND = Kind("Predict", lambda context: {})
