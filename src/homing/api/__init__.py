"""Api: the HTTP door. SparkPost's resources and our own; it translates and delegates, and decides nothing.

In      customers over HTTP(S), Prometheus, load balancers (health)
Out     ingress.accept, events, domains, accounts, recipients; the evidence journal for every answer
Owns    no table; the OpenAPI document
Start   app.make_app, then server.py and one module per resource in v1/
"""
