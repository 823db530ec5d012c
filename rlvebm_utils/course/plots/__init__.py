"""Arrays in, figure out: every picture of the course, in one style (extra ``course``).
Each function draws one finding and shows it with a description; :mod:`.style` holds the palette
and the one way to show.
"""

from ..extras import require

require("matplotlib", "the figures")
