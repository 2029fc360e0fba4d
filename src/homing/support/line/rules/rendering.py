"""Documents as carriers want them: each family has a language of its own."""

from homing.support.line.rules import jambonz, twiml
from homing.support.line.rules.document import Document
from homing.support.line.types import Carrier, Family


def rendered(carrier: Carrier, document: Document) -> tuple[bytes, str]:
    """Return a document as a carrier wants it, and its media type."""
    if carrier.family is Family.JAMBONZ:
        return jambonz.render(document), jambonz.MEDIA_TYPE
    return twiml.render(document, carrier.family), twiml.MEDIA_TYPE
