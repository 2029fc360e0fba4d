"""Message content: stored once per chunk, rendered and signed for each recipient when it is sent.

In      ingress (check), delivery (load_chunk, prepare, sign), queue (types; it writes the rows)
Out     templates, message
Owns    table chunks (its rows are written and counted down by queue, in the transaction of their entries)
Start   render.prepare, then inline.py and raw.py; dkim.sign
"""
