"""Names of the hierarchical cache's transfers, which a CPU server with no radix cache never calls."""

transfer_kv_all_layer = None
transfer_kv_all_layer_direct_lf_pf = None
transfer_kv_all_layer_lf_pf = None
transfer_kv_all_layer_lf_ph = None
transfer_kv_all_layer_mla = None
transfer_kv_all_layer_mla_lf_pf = None
transfer_kv_direct = None
transfer_kv_per_layer = None
transfer_kv_per_layer_direct_pf_lf = None
transfer_kv_per_layer_mla = None
transfer_kv_per_layer_mla_pf_lf = None
transfer_kv_per_layer_pf_lf = None
transfer_kv_per_layer_ph_lf = None
