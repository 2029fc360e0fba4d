"""Replies of the MX door about its own business; all others are smtp.replies."""

from homing.smtp.replies import Reason, no, reply

NO_SUCH_MAILBOX = no(550, "5.1.1", "no such mailbox here", Reason.ADDRESS)
NOT_OURS = no(550, "5.7.1", "relaying denied: mail for that domain is not taken here", Reason.ADDRESS)
NOT_YET = reply(450, "4.2.1", "nobody takes mail for this domain yet; try again later", Reason.ADDRESS)
HEADER_TOO_LARGE = no(552, "5.3.4", "message has more than 524288 octets of header fields", Reason.CONTENT)
TOO_MANY_HOPS = no(554, "5.4.6", "too many hops, over 100 Received headers: this message is in a loop", Reason.CONTENT)
TAKEN = reply(250, "2.0.0", "OK", Reason.OK)
TOO_MUCH_SUPPORT = reply(450, "4.7.1", "too much mail for now; try again later", Reason.LIMIT)
