package opsapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics count what the server does, for Prometheus. Labels come from fixed
// sets: no client can make new ones.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	errors   *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	in, out  *prometheus.CounterVec
}

// NewMetrics returns empty metrics with those of the process and the runtime.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coffer_requests_total", Help: "Requests answered, by API, operation and HTTP status."}, []string{"api", "operation", "status"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coffer_request_errors_total", Help: "Requests answered with a status of 400 or above, by API and operation."}, []string{"api", "operation"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "coffer_request_duration_seconds", Help: "Time from the headers of a request to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2.5, 14)}, []string{"api", "operation"}),
		in: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coffer_request_bytes_total", Help: "Bytes of request bodies read."}, []string{"api"}),
		out: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "coffer_response_bytes_total", Help: "Bytes of response bodies sent."}, []string{"api"}),
	}
	m.registry.MustRegister(m.requests, m.errors, m.latency, m.in, m.out,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Counter adds a counter that a part of the server keeps itself.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Gauge adds a gauge that a part of the server keeps itself.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Counters adds counters with labels that a part of the server keeps itself. each
// calls its argument for every one of them, with the values of the labels, which come
// from a fixed set.
func (m *Metrics) Counters(name, help string, labels []string, each func(yield func(value float64, of ...string))) {
	m.registry.MustRegister(&counters{prometheus.NewDesc(name, help, labels, nil), each})
}

// counters is a collector of counters that are kept elsewhere.
type counters struct {
	desc *prometheus.Desc
	each func(func(float64, ...string))
}

// Describe implements prometheus.Collector.
func (c *counters) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect implements prometheus.Collector.
func (c *counters) Collect(to chan<- prometheus.Metric) {
	c.each(func(value float64, of ...string) {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, value, of...)
	})
}

// Observe counts one request.
func (m *Metrics) Observe(api, operation string, status int, took time.Duration, in, out int64) {
	m.requests.WithLabelValues(api, operation, strconv.Itoa(status)).Inc()
	if status >= 400 {
		m.errors.WithLabelValues(api, operation).Inc()
	}
	m.latency.WithLabelValues(api, operation).Observe(took.Seconds())
	m.in.WithLabelValues(api).Add(float64(in))
	m.out.WithLabelValues(api).Add(float64(out))
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
