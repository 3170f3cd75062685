package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifests are all objects of a folder, as far as names among them must agree.
type manifests struct {
	pods     []workload
	services []*corev1.Service
	budgets  []*policyv1.PodDisruptionBudget
	policies []*networkingv1.NetworkPolicy
	configs  map[string]*corev1.ConfigMap
	accounts map[string]*corev1.ServiceAccount
}

// workload is what makes pods.
type workload struct {
	name     string
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
}

// checkKubernetes decodes manifests as an API server does that refuses unknown and doubled fields, and then looks whether what
// refers to something else meets it.
func checkKubernetes(dir string, known settings) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	m := &manifests{configs: map[string]*corev1.ConfigMap{}, accounts: map[string]*corev1.ServiceAccount{}}
	var errs []error
	for _, path := range paths {
		errs = append(errs, m.read(path, decoder))
	}
	if len(m.pods) == 0 {
		errs = append(errs, fmt.Errorf("%s: nothing makes a pod", dir))
	}
	args := map[string][]string{}
	for _, w := range m.pods {
		errs = append(errs, m.checkWorkload(w, known)...)
		args[w.name] = w.pod.Spec.Containers[0].Args
		if account := w.pod.Spec.ServiceAccountName; account != w.name {
			errs = append(errs, fmt.Errorf("%s: its service account is %q: want one of its own name, as roles have different rights", w.name, account))
		}
	}
	errs = append(errs, known.checkRoles(args)...)
	for name, c := range m.configs {
		for file, text := range c.Data {
			where, values := fmt.Sprintf("config map %s: %s", name, file), map[string]any{}
			if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", where, err))
			}
			errs = append(errs, known.file(where, "", values)...)
		}
	}
	return errors.Join(append(errs, m.checkSelectors()...)...)
}

func (m *manifests) read(path string, decoder runtime.Decoder) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	docs := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 1; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: document %d: %w", path, n, err)
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		object, kind, err := decoder.Decode(doc, nil, nil)
		if err != nil {
			return fmt.Errorf("%s: document %d: %w", path, n, err)
		}
		if err := m.add(object); err != nil {
			return fmt.Errorf("%s: document %d: %s: %w", path, n, kind.Kind, err)
		}
	}
}

func (m *manifests) add(object runtime.Object) error {
	switch o := object.(type) {
	case *appsv1.Deployment:
		m.pods = append(m.pods, workload{o.Name, o.Spec.Selector, o.Spec.Template, nil})
	case *appsv1.StatefulSet:
		m.pods = append(m.pods, workload{o.Name, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates})
	case *corev1.Service:
		m.services = append(m.services, o)
	case *policyv1.PodDisruptionBudget:
		m.budgets = append(m.budgets, o)
	case *networkingv1.NetworkPolicy:
		m.policies = append(m.policies, o)
	case *corev1.ConfigMap:
		m.configs[o.Name] = o
	case *corev1.ServiceAccount:
		m.accounts[o.Name] = o
	case *corev1.Namespace:
	default:
		return errors.New("is not looked at: add it to deploycheck, or leave it out")
	}
	return nil
}

func (m *manifests) checkWorkload(w workload, known settings) (errs []error) {
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(w.name+": "+format, args...)) }
	if s, err := metav1.LabelSelectorAsSelector(w.selector); err != nil || !s.Matches(labels.Set(w.pod.Labels)) {
		complain("its selector does not meet its own pods (%v)", err)
	}
	spec := w.pod.Spec
	if m.accounts[spec.ServiceAccountName] == nil {
		complain("there is no service account %q", spec.ServiceAccountName)
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		complain("it is given a token for the API server, which it never asks")
	}
	if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
		complain("enableServiceLinks: want false: variables of service tidemark begin with TIDEMARK_, and are no settings")
	}
	if c := spec.SecurityContext; c == nil || c.RunAsNonRoot == nil || !*c.RunAsNonRoot || c.SeccompProfile == nil {
		complain("securityContext: want runAsNonRoot and a seccomp profile")
	}
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && m.configs[v.ConfigMap.Name] == nil {
			complain("there is no config map %q", v.ConfigMap.Name)
		}
		if s := v.Secret; s != nil && v.Name == "users" && (s.DefaultMode == nil || *s.DefaultMode&0o007 != 0) {
			complain("volume users: want a defaultMode as 0440: a file of users that all may read is refused")
		}
	}
	for _, c := range w.claims {
		volumes[c.Name] = true
	}
	for i := range spec.Containers {
		errs = append(errs, checkContainer(w.name, &spec.Containers[i], volumes)...)
		var names []string
		for _, e := range spec.Containers[i].Env {
			names = append(names, e.Name)
		}
		errs = append(errs, known.problems(w.name, spec.Containers[i].Args, names)...)
	}
	return errs
}

func checkContainer(name string, c *corev1.Container, volumes map[string]bool) (errs []error) {
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(name+": "+format, args...)) }
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			complain("there is no volume %q", m.Name)
		}
	}
	s := c.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
		s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		complain("securityContext: want no privilege escalation, a read-only root and all capabilities dropped")
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		complain("resources: want requests of cpu and memory, and a limit of memory")
	}
	for path, p := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != path {
			complain("want a probe of %s", path)
			continue
		}
		if !slices.ContainsFunc(c.Ports, func(have corev1.ContainerPort) bool { return have.Name == p.HTTPGet.Port.StrVal }) {
			complain("the probe of %s asks port %q, which the container does not have", path, p.HTTPGet.Port.StrVal)
		}
	}
	return errs
}

// checkSelectors wants every service, budget and policy to meet pods, and services ports of theirs.
func (m *manifests) checkSelectors() (errs []error) {
	meets := func(what string, s labels.Selector) (met []workload) {
		for _, w := range m.pods {
			if s.Matches(labels.Set(w.pod.Labels)) {
				met = append(met, w)
			}
		}
		if len(met) == 0 {
			errs = append(errs, fmt.Errorf("%s meets no pod", what))
		}
		return met
	}
	for _, s := range m.services {
		what := "service " + s.Name
		for _, w := range meets(what, labels.SelectorFromSet(s.Spec.Selector)) {
			for _, p := range s.Spec.Ports {
				if !slices.ContainsFunc(w.pod.Spec.Containers[0].Ports, func(have corev1.ContainerPort) bool { return have.Name == p.TargetPort.StrVal }) {
					errs = append(errs, fmt.Errorf("%s: %s has no port %q", what, w.name, p.TargetPort.StrVal))
				}
			}
		}
	}
	for _, b := range m.budgets {
		s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if errs = append(errs, err); err == nil {
			meets("budget "+b.Name, s)
		}
	}
	for _, p := range m.policies {
		s, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if errs = append(errs, err); err == nil {
			meets("policy "+p.Name, s)
		}
	}
	for _, w := range m.pods {
		if !slices.ContainsFunc(m.budgets, func(b *policyv1.PodDisruptionBudget) bool {
			s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			return err == nil && s.Matches(labels.Set(w.pod.Labels))
		}) {
			errs = append(errs, fmt.Errorf("%s: no disruption budget meets it", w.name))
		}
	}
	return errs
}
