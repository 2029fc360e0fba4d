"""Addresses of ours that carriers ask about calls to TAMs' numbers. They begin with HOMING_SEV1_URL, as those of the line do."""

from homing.support.line.addresses import LineAddresses

FOLDER = "tam"


class OwnNumberAddresses(LineAddresses):
    """Makes the addresses of one carrier. intake_id: the call that a whisper is about."""

    folder = FOLDER
