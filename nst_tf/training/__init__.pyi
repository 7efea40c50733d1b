from nst_tf.training.loop import LearnedStyle as LearnedStyle
from nst_tf.training.loop import learn_style as learn_style
from nst_tf.training.one_style import learn_network as learn_network
