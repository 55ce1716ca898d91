# The results page: what was found, in one file.

SHOWN_CORPORA = sorted({corpus for paper in PAPERS.active() for corpus in corpora_of_paper(paper)})


rule page:
    input:
        papers=expand("<results>/papers/{paper}.json", paper=PAPERS.papers),
        scores=expand("<results>/scores/{paper}.csv", paper=PAPERS.active()),
        runs=[run for paper in PAPERS.active() for run in runs_of(paper)],
        manifests=[f"<results>/manifests/{corpus}.csv" for corpus in SHOWN_CORPORA],
        roots=[tree(corpus) for corpus in SHOWN_CORPORA],
        shown=[path for paper in PAPERS.active() for path in (*tables_of(paper), *figures_of(paper))],
        overview=overview(),
    output:
        "<results>/index.html",
    log:
        "<results>/logs/page/all.log",
    benchmark:
        "<results>/benchmarks/page/all.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("page"),
        runs=lambda wildcards, input: folders(input.runs),
        results=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Writing the results page"
    shell:
        "serflow page --papers {input.papers:q} --scores {input.scores:q} --runs {params.runs:q}"
        " --manifests {input.manifests:q} --roots {input.roots:q} --results {params.results:q} --output {output:q}"
        " --log {log:q}"
