// Projects whose resources somebody who uses the operator has: the newest that Go 1.26.0 takes. Only their custom
// resource definitions are read, and nothing is built.
module tgi-sandbox/definitions

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.4.13
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
	github.com/prometheus-operator/prometheus-operator v0.94.0
)
