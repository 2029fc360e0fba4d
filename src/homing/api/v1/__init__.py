"""Resources of /api/v1, one file each: a function `routes(...)` that takes what it needs and returns Litestar handlers.

A handler names its grants in `opt={"grants": (...)}` (any one of them suffices) and describes itself for the OpenAPI
document in `opt={"operation": Operation(...)}`; both are read by api.auth and api.openapi.
"""
