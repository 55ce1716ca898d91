# serflow: published speech-emotion-recognition systems, from the raw corpora to every table and figure.
# What runs is decided in config.yaml; each paper is a file in workflow/papers.


configfile: "config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=CONFIG["results"],
    resources=CONFIG["resources"],


wildcard_constraints:
    **WILDCARDS,


include: "workflow/rules/corpora.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/training.smk"


rule all:
    default_target: True
    input:
        all_targets(),
