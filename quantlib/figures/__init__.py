"""Pictures of the course, one module per chapter; each function returns a matplotlib figure."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "logarithmic": [
            "plot_bit_histograms",
            "plot_channel_quartiles",
            "plot_compression",
            "plot_confusions",
            "plot_levels",
        ],
        "tables": ["table"],
        "uniform": [
            "plot_accuracy_by_bits",
            "plot_channel_ranges",
            "plot_clip_choice",
            "plot_clipping",
            "plot_quantizer",
            "plot_sqnr_by_bits",
            "plot_staircase",
        ],
        "style": ["COLORS", "CYCLE", "new_figure", "styled"],
    },
)
