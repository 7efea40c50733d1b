from nst_tf.export.bundle import export_adain as export_adain
from nst_tf.export.bundle import export_gatys as export_gatys
from nst_tf.export.bundle import export_multi_style as export_multi_style
