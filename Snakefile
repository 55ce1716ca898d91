# serflow: published speech-emotion-recognition systems, from the raw corpora to every table and figure.
# What runs is decided in config.yaml; each paper is a file in workflow/papers.


configfile: "config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=CONFIG.results,
    resources=CONFIG.resources,


wildcard_constraints:
    **WILDCARDS,


include: "workflow/rules/corpora.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/tracking.smk"
include: "workflow/rules/page.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        [target for paper in PAPERS.active() for target in targets_of(paper)],
        [f"<results>/manifests/{corpus}.csv" for corpus in CONFIGURED],
        overview(),
        overview_log(),
        page(),


onsuccess:
    for line in tell_end():
        print(line)


rule tables:
    input:
        [table for paper in PAPERS.active() for table in tables_of(paper)],
        overview(),


rule figures:
    input:
        [figure for paper in PAPERS.active() for figure in figures_of(paper)],


for name in PAPERS.papers:
    if name == "index" or (workflow.is_rule(name) and Path(workflow.basedir) == CLONE):
        raise WorkflowError(
            f"workflow/papers/{name}.yaml: serflow has a target of this name. Give the paper another one."
        )

    rule:
        name:
            name
        input:
            [*targets_of(name), *page(name)] if name in PAPERS.active() else refuse(name),


for name in PAPERS.active():
    if PAPERS.papers[name].studies:

        rule:
            name:
                f"{name}_studies"
            input:
                tables(targets.studies(PAPERS, name)),
                figures(targets.studies(PAPERS, name)),
