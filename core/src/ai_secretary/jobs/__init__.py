"""Durable work: what must be finished even if the process is killed (downloads, broadcasts, exports)."""

from ai_secretary.jobs.service import Job, JobChanged, JobContext, JobHandler, Jobs, JobState

__all__ = ["Job", "JobChanged", "JobContext", "JobHandler", "JobState", "Jobs"]
