"""Durable work: what must be finished even if the process is killed (downloads, broadcasts, exports)."""

from ai_secretary.jobs.service import Jobs
from ai_secretary.jobs.types import Job, JobChanged, JobContext, JobHandler, JobState, JobStopped

__all__ = ["Job", "JobChanged", "JobContext", "JobHandler", "JobState", "JobStopped", "Jobs"]
