"""Pictures of the course, one module per chapter; each function returns a matplotlib figure."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "abc_net": [
            "plot_accuracy_grid",
            "plot_activation_bases",
            "plot_error_by_bases",
            "plot_weight_bases",
        ],
        "bi_real": [
            "plot_by_depth",
            "plot_gradient_match",
            "plot_one_bit_blocks",
            "plot_sign_slopes",
            "plot_value_rows",
        ],
        "binary": [
            "plot_flips",
            "plot_latent_paths",
            "plot_maps",
            "plot_methods",
            "plot_sign_patterns",
            "plot_ste",
            "plot_xnor",
        ],
        "detection": ["plot_detections", "plot_map_by_bits"],
        "dst": [
            "plot_combinations",
            "plot_curves",
            "plot_gate",
            "plot_grid",
            "plot_grid_error",
            "plot_sparsity",
            "plot_th_sweep",
            "plot_walk",
        ],
        "kernels": ["plot_panels", "plot_roofline", "plot_speed_ups"],
        "logarithmic": [
            "plot_bit_histograms",
            "plot_channel_quartiles",
            "plot_compression",
            "plot_confusions",
            "plot_levels",
        ],
        "nonuniform": ["plot_activations", "plot_lloyd_ends", "plot_trade_off"],
        "ptq": ["plot_practice", "plot_report", "plot_set_sizes"],
        "qat": ["plot_range_gradients", "plot_real_copy", "plot_step_slope"],
        "tables": ["table"],
        "ternary": ["plot_ternary_paths", "plot_threshold_errors", "plot_weight_levels"],
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
