"""Which points of MediaPipe's face mesh stand for the 68 of iBUG."""

# Nose base and eye corners (33, 36, 39, 42, 45) are the nearest to dlib's that are steady; the
# mouth (48 to 67) is the mesh's own outer and inner contour of the lips.
IBUG = (
    127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4,  # bridge of the nose
    75, 97, 2, 326, 305,  # base of the nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # outer lips
    78, 81, 13, 311, 308, 402, 14, 178,  # inner lips
)  # fmt: skip
"""IBUG[i] is the mesh's point for iBUG's point i."""

EYES = (33, 263)
"""The outer corners of the eyes; the one at the left of an upright face first."""
