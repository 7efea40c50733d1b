from nst_tf.losses.objective import Objective as Objective
from nst_tf.losses.objective import Targets as Targets
from nst_tf.losses.objective import Terms as Terms
