from nst_tf.pipelines.augment import StyleAugment as StyleAugment
