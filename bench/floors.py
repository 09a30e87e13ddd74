"""What bounds a time from below. Spec peaks are NVIDIA's for dense operands; bandwidth is measured.

A floor is max(flops / peak, bytes / bandwidth), each operand read and each result written once.
"""

# GPU, as its name contains it: TFLOP/s. fp32 is the rate of the CUDA cores; three TF32 products on
# tensor cores give fp32 accuracy at up to a third of tf32, so that a share may exceed 1.
PEAK_TFLOPS = {
    "H100 PCIe": {"fp32": 51, "tf32": 378},
    "H100": {"fp32": 67, "tf32": 495},
    "H200": {"fp32": 67, "tf32": 495},
    "A100": {"fp32": 19.5, "tf32": 156},
}

# ms per meta-step on an H100, counted by hand: fp32 flops at peak, flops at half of the TF32 peak,
# bytes of fused kernels at 3.35 TB/s. The floor is the largest that applies.
META_STEP_MS = {
    "W1": {"fp32": 2.5, "tf32": 0.7, "bytes": 1.5},
    "W2": {"fp32": 4.4, "tf32": 1.2, "bytes": 2.5},
    "W3": {"fp32": 4.0, "tf32": 1.1, "bytes": 2.2},
    "W4": {"fp32": 9.8, "tf32": 2.7, "bytes": 5.3},
    "W5": {"fp32": 150, "tf32": 41, "bytes": 24},
}


def peak(gpu, precision):
    """FLOP/s; None for a GPU that is not listed."""
    for name, rates in PEAK_TFLOPS.items():
        if name in gpu:
            return rates[precision] * 1e12
    return None


def kernel_floor_ms(flops, moved_bytes, gpu, precision, bandwidth):
    """None where neither bound is known; bandwidth in bytes per second, or None."""
    rate = peak(gpu, precision)
    bounds = [1e3 * flops / rate] if rate and flops else []
    bounds += [1e3 * moved_bytes / bandwidth] if bandwidth else []
    return max(bounds, default=None)


def meta_step_floor_ms(workload, gpu, precision):
    """None for other GPUs than those with the rates of an H100."""
    floors = META_STEP_MS.get(workload)
    if floors is None or not any(name in gpu for name in ("H100", "H200")) or "PCIe" in gpu:
        return None
    return max(floors[precision], floors["bytes"])
