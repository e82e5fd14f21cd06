"""What a network looks at: deconvolution, saliency, occlusion, activation maps, top patches.

Such pictures convince too easily. Draw each again with `randomize(model, seed=0)`: what is still
there comes from the image and the architecture, not from what was learned.
"""

from dlvlib.visualize.attribution import occlusion_map, saliency
from dlvlib.visualize.cam import class_activation_map, grad_cam
from dlvlib.visualize.common import randomize
from dlvlib.visualize.deconvolution import deconvolve, unpool
from dlvlib.visualize.patches import TopPatches, top_patches

__all__ = [
    "TopPatches",
    "class_activation_map",
    "deconvolve",
    "grad_cam",
    "occlusion_map",
    "randomize",
    "saliency",
    "top_patches",
    "unpool",
]
