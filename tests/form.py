"""What a page's reader gets of a figure: the size of its letters, and colours of the course."""

import matplotlib as mpl

from quantlib import figures

PALETTE = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}
#: Pixels that a phone's column has for a figure, and an inch of a figure on a wide page.
COLUMN, INCH = 358, 110


def smallest_letters(figure):
    """Return the size of the smallest text on a phone, in pixels."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    pixels_of_a_point = min(COLUMN / figure.get_figwidth(), INCH) / 72
    return min(text.get_fontsize() for text in texts) * pixels_of_a_point


def foreign_colors(figure):
    """Return the colours of lines and of the edges of patches that are not the course's."""
    drawn = [line.get_color() for axes in figure.axes for line in axes.lines]
    drawn += [patch.get_edgecolor() for axes in figure.axes for patch in axes.patches]
    return {mpl.colors.to_hex(color) for color in drawn} - PALETTE
