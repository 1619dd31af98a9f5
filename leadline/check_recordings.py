"""The look at recordings: whether calls that are to be recorded can be heard, and deleted when it is time (C12)."""

from leadline.findings import Finding, Level, trouble
from leadline.pbx_settings import PbxSettings
from leadline.settings import Settings
from leads.domain.directory import Directory
from leads.domain.recordings import RecordedCalls
from leads.store.recording_files import RecordingFolder

_MEND = "see asterisk-conf/README.md, Recordings"


def look_at_recordings(settings: Settings, directory: Directory) -> list[Finding]:
    """What each Asterisk's folder of recordings is like, where calls are recorded at all."""
    if directory.recording.calls is RecordedCalls.NONE:
        return []
    several = len(settings.pbxes) > 1
    return [_look_at_folder(pbx, f"recordings {pbx.pbx_name}" if several else "recordings") for pbx in settings.pbxes]


def _look_at_folder(pbx: PbxSettings, name: str) -> Finding:
    folder = pbx.recordings_folder
    if folder is None:
        return trouble(
            name, "calls are recorded, and nobody can hear or delete them", f"set LEADLINE_RECORDINGS_FOLDER; {_MEND}"
        )
    if not RecordingFolder(folder).is_usable():
        return trouble(name, f"{folder} cannot be read and written by this account", f"give it the right; {_MEND}")
    return Finding(name, Level.GOOD, f"{folder} can be read and written")
