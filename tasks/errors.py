"""Every error DeepSentinel raises on purpose.

A message names what was wrong, where, what was expected and what to do about it; the command prints it without a
traceback and exits with `exit_code`: 1, something is missing or wrong in the data; 2, wrong usage or spec.
"""


class DeepSentinelError(Exception):
    """The base of all errors that are raised on purpose."""

    exit_code = 1


class SpecError(DeepSentinelError):
    """The description of a corpus cannot be used: a key, a value, or a contradiction with what is built already."""

    exit_code = 2


class PlacesError(DeepSentinelError):
    """A region or a list of places cannot be used: unreadable, empty, without land, too small for the size asked."""

    exit_code = 2


class SettingsError(DeepSentinelError):
    """A setting (an environment variable) is missing or out of its bounds."""

    exit_code = 2


class CatalogueError(DeepSentinelError):
    """A catalogue cannot be read, or an item in it cannot be used."""


class PixelsError(DeepSentinelError):
    """Pixels cannot be read: a damaged file, a body that is not an image. The shard fails; a later run tries again."""


class SceneUnavailable(DeepSentinelError):
    """A platform will never serve this scene on this patch. The candidate is replaced by the next one."""

    def __init__(self, reason: str, scene: str, said: str = "") -> None:
        """`reason` is a code of `tasks.scenes.Reason`, `scene` the platform's id; `said` is for people only."""
        super().__init__(f"{scene}: {said or reason}")
        self.reason, self.scene = reason, scene


class NotUnderstood(DeepSentinelError):
    """Pixels are not what spec, settings or catalogue say, in scene after scene. The run stops: all others would fare
    the same."""


class LabelsError(DeepSentinelError):
    """A source of labels is damaged, or holds what it must not. The shard fails, every time until it is corrected."""


class PlatformUnreachable(DeepSentinelError):
    """A platform did not answer for its whole patience. The run stops: every other shard would wait as long."""


class CredentialsError(DeepSentinelError):
    """A platform refuses the login, or there is none to try. The run stops: every further request would be refused."""


class DestinationError(DeepSentinelError):
    """A destination cannot be read or written: missing rights, no space. The run stops; it can be resumed."""


class DestinationUnreachable(DestinationError):
    """A destination did not answer for its whole patience. The shard fails; the run stops when several have."""

    def __init__(self, message: str, location: str = "") -> None:
        """`location` is the destination's."""
        super().__init__(message)
        self.location = location


class CorpusError(DeepSentinelError):
    """A corpus is absent, incomplete or damaged, or cannot be completed."""


class CorpusBusy(CorpusError):
    """Another run is building the same corpus."""


class DamagedDescription(CorpusError):
    """What a corpus says of itself is damaged in both places where it stands."""


class CandidatesExhausted(CorpusError):
    """A shard has no candidates left. It fails the same way every time: only another spec helps."""


class SchedulerUnreachable(DeepSentinelError):
    """Prefect's server did not answer for the whole patience. What is committed stays; the same call goes on."""


STOPPING = (
    DestinationError,
    CredentialsError,
    NotUnderstood,
    PlatformUnreachable,
    SettingsError,
    SchedulerUnreachable,
)
"""Every other shard would fail the same way, after hours of fetching or of waiting for an answer. A destination that
does not answer is the exception, `stores_missed` times: it may come back, and the others take what is built."""
