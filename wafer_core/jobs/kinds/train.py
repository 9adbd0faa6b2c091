"""The job train."""

from __future__ import annotations

from wafer_core.jobs.kinds.kind import Kind

KIND = Kind("Train", lambda context: {})
