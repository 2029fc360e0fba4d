"""What a message is: addresses, header fields, the block of headers, return paths. Pure: text and bytes in, text and bytes out.

In      every room that touches mail
Out     nothing
Owns    no tables
Start   addresses.parse_address, then headers.write_header and scan.scan
"""
