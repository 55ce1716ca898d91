# From recordings to feature caches.


rule features:
    input:
        manifest="<results>/manifests/{corpus}.csv",
        tree=lambda wildcards: recordings(wildcards.corpus),
    output:
        directory("<results>/features/{corpus}/{recipe}"),
    log:
        "<results>/logs/features/{corpus}/{recipe}.log",
    benchmark:
        "<results>/benchmarks/features/{corpus}/{recipe}.tsv"
    conda:
        "../../envs/serflow.yaml"
    threads: 8
    resources:
        gpu=lambda wildcards: int(CONFIG.device != "cpu" and has_encoder(wildcards)),
    params:
        code=lambda wildcards: code("features", *kinds_of_recipe(PAPERS.recipes[wildcards.recipe])),
        recipe=lambda wildcards: json.dumps(PAPERS.recipes[wildcards.recipe], sort_keys=True),
        libraries=lambda wildcards: libraries_of(PAPERS.recipes[wildcards.recipe]),
        device=lambda wildcards: ["--device", CONFIG.device] if has_encoder(wildcards) else [],
    message:
        "Computing {wildcards.recipe} features of {wildcards.corpus}"
    shell:
        "serflow features --recipe {params.recipe:q} --manifest {input.manifest:q} --root {input.tree:q}"
        " --output {output:q}/features.zarr --workers {threads} {params.device:q} --log {log:q}"
