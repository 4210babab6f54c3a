"""`/v2…`: the Open Inference Protocol, so that KServe, Triton's clients and gateways can ask.

`wire` knows bytes and tensors, `contract` which tensors a bundle has; `models` and `infer` are the addresses. How
failures are worded is `service.http.outer.inference_errors`.
"""
