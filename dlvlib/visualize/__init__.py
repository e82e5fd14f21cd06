"""What a network looks at: deconvolution, saliency, occlusion, and the patches a unit likes.

Such pictures convince too easily. Draw each again with `randomize(model, seed=0)`: what is still
there comes from the image and the architecture, not from what was learned.
"""

from dlvlib.visualize.attribution import occlusion_map, saliency
from dlvlib.visualize.common import randomize
from dlvlib.visualize.deconvolution import deconvolve, unpool
from dlvlib.visualize.patches import TopPatches, top_patches

__all__ = [
    "TopPatches",
    "deconvolve",
    "occlusion_map",
    "randomize",
    "saliency",
    "top_patches",
    "unpool",
]
